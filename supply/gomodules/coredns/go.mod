module kalico.local/coredns

go 1.24

require github.com/coredns/coredns v1.11.3
