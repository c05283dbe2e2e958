module kalico.local/kind

go 1.24

require sigs.k8s.io/kind v0.27.0
