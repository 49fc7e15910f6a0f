"""The audit: does a dataset carry a trait that it does not mention?"""
