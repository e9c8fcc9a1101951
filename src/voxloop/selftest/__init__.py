"""The gate's own test: models known to be bad must not pass, models known to be good must."""
