"""The audit: does a dataset carry something it does not say?"""
