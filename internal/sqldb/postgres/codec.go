package postgres

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/feedback-loop/feedback-loop/internal/metric"
	"github.com/feedback-loop/feedback-loop/internal/sqldb"
)

// Values travel in PostgreSQL's binary format, see "src/backend/utils/adt/*recv" of its source. Going below pgx here
// saves a third of the client's time in an import.

// epoch is where PostgreSQL counts times and days from.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

const secondsADay = 86400

func putUint32(b []byte, n int) []byte { return binary.BigEndian.AppendUint32(b, uint32(n)) }

// null is the length that stands for NULL.
func null(b []byte) []byte { return append(b, 0xff, 0xff, 0xff, 0xff) }

// appendValue writes the length and the bytes of a value of the type.
func appendValue(b []byte, t metric.Type, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return null(b), nil
	case int64:
		return binary.BigEndian.AppendUint64(putUint32(b, 8), uint64(v)), nil
	case float64:
		return binary.BigEndian.AppendUint64(putUint32(b, 8), math.Float64bits(v)), nil
	case bool:
		if v {
			return append(putUint32(b, 1), 1), nil
		}
		return append(putUint32(b, 1), 0), nil
	case time.Time:
		return binary.BigEndian.AppendUint64(putUint32(b, 8), uint64(v.UnixMicro()-epoch.UnixMicro())), nil
	case string:
		return appendString(b, t, v)
	}
	return nil, fmt.Errorf("postgres: %T cannot be stored", v)
}

func appendString(b []byte, t metric.Type, s string) ([]byte, error) {
	switch t {
	case metric.JSON, metric.List:
		const version = 1
		return append(append(putUint32(b, len(s)+1), version), s...), nil
	case metric.Date:
		day, err := time.Parse(sqldb.DateLayout, s)
		if err != nil {
			return nil, err
		}
		return putUint32(putUint32(b, 4), int((day.Unix()-epoch.Unix())/secondsADay)), nil
	case metric.Key:
		id, err := uuid.Parse(s)
		if err != nil {
			return nil, err
		}
		return append(putUint32(b, len(id)), id[:]...), nil
	default:
		return append(putUint32(b, len(s)), s...), nil
	}
}

// decodeValue reads what the server gave for a column of the type; nil is NULL.
func decodeValue(t metric.Type, b []byte) (any, error) {
	if b == nil {
		return nil, nil
	}
	want := map[metric.Type]int{metric.Int: 8, metric.Float: 8, metric.Time: 8, metric.Bool: 1, metric.Date: 4, metric.Key: 16}[t]
	if want != 0 && len(b) != want {
		return nil, fmt.Errorf("postgres: %d bytes are no %s", len(b), t)
	}
	switch t {
	case metric.Int:
		return integer(b), nil
	case metric.Float:
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	case metric.Bool:
		return b[0] != 0, nil
	case metric.Time:
		return time.UnixMicro(integer(b) + epoch.UnixMicro()).UTC(), nil
	case metric.Date:
		return epoch.AddDate(0, 0, int(int32(binary.BigEndian.Uint32(b)))).Format(sqldb.DateLayout), nil
	case metric.Key:
		return uuid.UUID(b).String(), nil
	case metric.JSON, metric.List:
		if len(b) == 0 {
			return nil, fmt.Errorf("postgres: no bytes are no %s", t)
		}
		return string(b[1:]), nil // behind the version
	default:
		return string(b), nil
	}
}

func integer(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
