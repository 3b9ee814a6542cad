package postgres

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/feedback-loop/feedback-loop/internal/fault"
)

// newPassword makes up a password of 256 bits that needs no escaping in a URI.
func newPassword() string {
	const size = 32
	b := make([]byte, size)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// checkPassword refuses what is easily guessed, and what clients normalise in different ways.
func checkPassword(password string) error {
	const least, most = 12, 256
	if len(password) < least || len(password) > most {
		return fault.New(fault.Invalid, "the password has %d characters, not %d to %d", len(password), least, most).
			Try("Leave it out: a strong one is made up.")
	}
	if strings.ContainsFunc(password, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fault.New(fault.Invalid, "the password has a character that is no printable ASCII, or a blank").
			Try("Leave it out: a strong one is made up.")
	}
	return nil
}

// verifier is what the server stores to check a password (RFC 5803). Made here, it keeps the password itself out of the
// statement, and so out of the logs of the server and of proxies.
func verifier(password string) (string, error) {
	const saltSize, rounds = 16, 4096
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	salted, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		return "", err
	}
	stored := sha256.Sum256(sign(salted, "Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", rounds, b64(salt), b64(stored[:]), b64(sign(salted, "Server Key"))), nil
}

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
