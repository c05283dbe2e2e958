module kalico.local/operator

go 1.24

require github.com/tigera/operator v1.36.5
