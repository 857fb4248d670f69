/** For every client. */
export const CHANNEL = {
  // The default lets an outage outlast itself by two minutes.
  'grpc.max_reconnect_backoff_ms': 5000,
  // A connection that died while the instance was frozen is noticed at all.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
} as const;
