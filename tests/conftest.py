"""What holds for all tests."""

from hypothesis import settings

# In whatever profile: how long an example takes says more about the machine than about us.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")
