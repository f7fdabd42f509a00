"""Many runs: ``command`` writes a configuration as options, ``trial`` does one run, ``sweep`` the product of many."""
