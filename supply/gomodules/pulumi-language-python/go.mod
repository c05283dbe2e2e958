module kalico.local/pulumi-language-python

go 1.24

require github.com/pulumi/pulumi/sdk/v3 v3.79.0
