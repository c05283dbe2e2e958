"""What `make` does with a lab beyond plain Pulumi: dead locks, leftovers of killed runs, the bench and the soak."""
