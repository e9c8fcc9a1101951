environment     = "dev"
region          = "eu-central-1"
noncurrent_days = 14
force_destroy   = true # what dev holds can be made again by one night's run
