package main

import (
	"fmt"

	"github.com/valyala/fasthttp"
)

// restClient posts JSON over one kept-alive connection.
type restClient struct {
	host     *fasthttp.HostClient
	request  *fasthttp.Request
	response *fasthttp.Response
}

func connectREST(target, path string) (client, error) {
	request := fasthttp.AcquireRequest()
	request.SetRequestURI("http://" + target + path)
	request.Header.SetMethod(fasthttp.MethodPost)
	request.Header.SetContentType("application/json")
	return &restClient{
		// One attempt: a retry would hide a dropped request.
		host:     &fasthttp.HostClient{Addr: target, MaxConns: 1, MaxIdemponentCallAttempts: 1},
		request:  request,
		response: fasthttp.AcquireResponse(),
	}, nil
}

func (c *restClient) send(body []byte) error {
	c.request.SetBodyRaw(body)
	if err := c.host.DoTimeout(c.request, c.response, requestTimeout); err != nil {
		return err
	}
	if status := c.response.StatusCode(); status != fasthttp.StatusOK {
		return fmt.Errorf("status %d: %.200s", status, c.response.Body())
	}
	if len(c.response.Body()) == 0 {
		return errEmpty
	}
	return nil
}

func (c *restClient) close() { c.host.CloseIdleConnections() }
