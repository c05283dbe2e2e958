module kalico.local/whereabouts

go 1.24

require github.com/k8snetworkplumbingwg/whereabouts v0.8.0
