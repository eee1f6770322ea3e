"""Property tests are the same in every run: no example is remembered, and a slow machine is no failure."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "perdure", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "search", deadline=None, max_examples=1_000, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("perdure")
