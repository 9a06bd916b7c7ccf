"""Reward models from neural labels; sees labels through `rlhb_client` alone."""
