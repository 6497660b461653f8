module {{name}}

go 1.24

require weir-sdk v0.0.0

replace weir-sdk => "{{sdk}}/go"
