package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// acceptance is all that a count needs.
type acceptance struct {
	order  string
	day    int32
	county int32
}

const hohhotMs = 8 * 3600 * 1000

func dayOfMs(ms int64) int32 {
	return int32((ms + hohhotMs) / 86_400_000)
}

// dayOfText reads the day of a text in Hohhot's time: 20260705… or 2026-07-05….
func dayOfText(text string) (int32, error) {
	layout, length := "20060102", 8
	if len(text) > 4 && text[4] == '-' {
		layout, length = "2006-01-02", 10
	}
	if len(text) < length {
		return 0, fmt.Errorf("expected a date, found %q", text)
	}
	at, err := time.Parse(layout, text[:length])
	if err != nil {
		return 0, err
	}
	return int32(at.Unix() / 86_400), nil
}

func ofText(order, at, county string) (*acceptance, error) {
	day, err := dayOfText(at)
	if err != nil {
		return nil, err
	}
	return withCounty(order, day, county)
}

func withCounty(order string, day int32, county string) (*acceptance, error) {
	code, err := strconv.ParseInt(county, 10, 32)
	if err != nil {
		return nil, err
	}
	return &acceptance{order, day, int32(code)}, nil
}

// message is what one platform sends; accepted gives nil where it tells of something else.
type message interface {
	accepted() (*acceptance, error)
}

type caocao struct {
	MsgType        string
	OrderId        string
	DistributeTime string
	Address        string
}

func (m *caocao) accepted() (*acceptance, error) {
	if m.MsgType != "order_match" {
		return nil, nil
	}
	return ofText(m.OrderId, m.DistributeTime, m.Address)
}

type didi struct {
	Event string `json:"event"`
	Order struct {
		ID string `json:"id"`
	} `json:"order"`
	Time struct {
		Accept string `json:"accept"`
	} `json:"time"`
	Place struct {
		Accept struct {
			Adcode string `json:"adcode"`
		} `json:"accept"`
	} `json:"place"`
}

func (m *didi) accepted() (*acceptance, error) {
	if m.Event != "ORDER_ACCEPTED" {
		return nil, nil
	}
	return ofText(m.Order.ID, m.Time.Accept, m.Place.Accept.Adcode)
}

type meituan struct {
	Status int    `json:"status"`
	Order  string `json:"orderViewId"`
	At     int64  `json:"acceptTime"`
	County int32  `json:"adcode"`
}

func (m *meituan) accepted() (*acceptance, error) {
	if m.Status != 20 {
		return nil, nil
	}
	return &acceptance{m.Order, dayOfMs(m.At), m.County}, nil
}

type eleme struct {
	State  string `json:"state"`
	Order  string `json:"order_no"`
	At     int64  `json:"taken_at"`
	County string `json:"district"`
}

func (m *eleme) accepted() (*acceptance, error) {
	if m.State != "RIDER_TAKEN" {
		return nil, nil
	}
	return withCounty(m.Order, dayOfMs(m.At), m.County)
}

type jd struct {
	Status int    `json:"order_status"`
	Order  string `json:"order_id"`
	At     int64  `json:"accept_time"`
	County string `json:"city_code"`
}

func (m *jd) accepted() (*acceptance, error) {
	if m.Status != 2 {
		return nil, nil
	}
	return withCounty(m.Order, dayOfMs(m.At*1000), m.County)
}

type sf struct {
	Status int    `json:"order_status"`
	Order  string `json:"sf_order_id"`
	At     string `json:"take_time"`
	Region struct {
		Code string `json:"code"`
	} `json:"region"`
}

func (m *sf) accepted() (*acceptance, error) {
	if m.Status != 10 {
		return nil, nil
	}
	return ofText(m.Order, m.At, m.Region.Code)
}

// platforms in the order of their numbers in the table.
var platforms = []struct {
	name string
	make func() message
}{
	{"caocao-chuxing", func() message { return &caocao{} }},
	{"didi-chuxing", func() message { return &didi{} }},
	{"meituan", func() message { return &meituan{} }},
	{"eleme", func() message { return &eleme{} }},
	{"jd-miaosong", func() message { return &jd{} }},
	{"sf-tongcheng", func() message { return &sf{} }},
}

// read gives what a message of a platform tells, or nil where it is of no acceptance.
func read(platform int, body []byte) (*acceptance, error) {
	message := platforms[platform].make()
	if err := json.Unmarshal(body, message); err != nil {
		return nil, err
	}
	return message.accepted()
}
