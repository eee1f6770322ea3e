"""Property tests of the payload chain: a busy machine is no failure, and every run tries the same examples."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "codec", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("codec")
