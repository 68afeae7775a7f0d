# Generated headers and images of the x86 machine layer.
generated :=
