// SPDX-License-Identifier: GPL-2.0
// Makes GOPATH know major versions in the paths of imports.
module watch-go

go 1.24
