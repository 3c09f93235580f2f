module jsonread

go 1.22
