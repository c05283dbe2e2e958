"""What `make` does with a lab beyond plain Pulumi: dead locks, leftovers of killed runs, proof that nothing is left."""
