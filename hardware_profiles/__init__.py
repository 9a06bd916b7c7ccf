"""One TOML file per board or amplifier, and the frozen model that reads it."""

from hardware_profiles.profile import HardwareProfile, ProfileError, load_profile, profile_names

__all__ = ["HardwareProfile", "ProfileError", "load_profile", "profile_names"]
