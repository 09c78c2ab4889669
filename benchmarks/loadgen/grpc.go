package main

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
)

var errEmpty = errors.New("success without content")

// rawCodec passes messages through as bytes: they were encoded before the run, and decoding the
// answers is not what is measured.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(message any) (mem.BufferSlice, error) {
	body, ok := message.([]byte)
	if !ok {
		return nil, fmt.Errorf("cannot send a %T", message)
	}
	return mem.BufferSlice{mem.SliceBuffer(body)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, message any) error {
	size, ok := message.(*int)
	if !ok {
		return fmt.Errorf("cannot receive into a %T", message)
	}
	*size = data.Len()
	return nil
}

// grpcClient calls one unary method over a connection of its own.
type grpcClient struct {
	connection *grpc.ClientConn
	method     string
}

func connectGRPC(target, method string) (client, error) {
	connection, err := grpc.NewClient(
		"passthrough:///"+target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDisableRetry(),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})),
	)
	if err != nil {
		return nil, err
	}
	return &grpcClient{connection: connection, method: method}, nil
}

func (c *grpcClient) send(body []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	size := 0
	if err := c.connection.Invoke(ctx, c.method, body, &size); err != nil {
		return err
	}
	if size == 0 {
		return errEmpty
	}
	return nil
}

func (c *grpcClient) close() { _ = c.connection.Close() }
