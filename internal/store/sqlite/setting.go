package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"

	"ramai/internal/eventlog"
)

// settingStmts are the statements of the settings of rooms.
type settingStmts struct{ put, delete, deleteAll *stmt }

func (t *tx) PutSetting(room string, s eventlog.Setting) error {
	_, err := t.settings.put.exec(t.roomID(room), s.Key, eventlog.EncodeValue(s.Value), int64(s.N), int64(s.Until))
	return err
}

func (t *tx) DeleteSetting(room, key string) error {
	_, err := t.settings.delete.exec(t.roomID(room), key)
	return err
}

// addSetting reads a row of the table of settings.
func (s *saved) addSetting(scan func(...any) error) error {
	var room string
	var value []byte
	var setting eventlog.Setting
	if err := scan(&room, &setting.Key, &value, &setting.N, &setting.Until); err != nil {
		return err
	}
	var err error
	if setting.Value, err = eventlog.DecodeValue(value); err != nil {
		return fmt.Errorf("%w: the setting %.80q of the room %s: %w", eventlog.ErrDamaged, setting.Key, room, err)
	}
	s.Settings[room] = append(s.Settings[room], setting)
	return nil
}

// checkSettings checks the table of settings, which are sent to clients.
func checkSettings(ctx context.Context, c conn) error {
	return c.eachRow(ctx, "SELECT key, value FROM settings", func(row []driver.Value) error { return checkSetting(row[0], row[1]) })
}

// checkSetting returns an error unless a key and a value are those of a setting.
func checkSetting(key, value driver.Value) error {
	k, isKey := key.(string)
	b, isValue := value.([]byte)
	if !isKey || !isValue {
		return fmt.Errorf("the setting %.80q has the value %.80q", key, value)
	}
	v, err := eventlog.DecodeValue(b)
	if err != nil {
		return fmt.Errorf("the setting %.80q: %w", k, err)
	}
	if err := eventlog.CheckStoredSetting(k, v); err != nil || v.IsNull() {
		return fmt.Errorf("the setting %.80q has a value that it cannot have", k)
	}
	return nil
}
