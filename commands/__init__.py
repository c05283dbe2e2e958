"""What `make` does with a lab beyond plain Pulumi: dead locks, what killed runs left, proof that it is gone; bench, soak."""
