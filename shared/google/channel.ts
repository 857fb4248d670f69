/** For every client. The default of gRPC lets an outage outlast itself by two minutes. */
export const CHANNEL = { 'grpc.max_reconnect_backoff_ms': 5000 } as const;
