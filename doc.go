// Package feedbackloop is the root of the module. It holds no code: its tests
// are the rules of the house, which floor may import which (deps_test.go) and
// what every file must look like (house_test.go). The program itself is
// cmd/feedback-loop.
package feedbackloop
