module weir-sdk

go 1.24
