// Package e2e tests the program as its users meet it: the built binary, a
// database in a file or on a server of PostgreSQL, and a browser.
package e2e
