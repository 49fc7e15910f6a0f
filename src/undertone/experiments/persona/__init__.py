"""A persona inside: do directions in hidden states tell, forecast and stop what a fine-tune does to advice?"""
