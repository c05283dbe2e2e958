"""What all tests have in common."""

from hypothesis import settings

# No deadline: the machine may be busy with the lab itself.
settings.register_profile("kalico", deadline=None, max_examples=60)
settings.load_profile("kalico")
