"""A small fleet, the same for everybody: 20 instances of a service with requests, durations and gauges, an hour at 15 s.
Encoded once as remote write 1.0 before anybody is measured; one request carries one moment of all series."""
import random
import struct

STEP_MS = 15_000
STEPS = 240
INSTANCES = 20
HANDLERS = ["/users/{id}", "/orders", "/products/{sku}", "/checkout"]
CODES = ["200", "404", "500"]
BOUNDS = ["0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1.0", "2.5", "5.0", "7.5", "+Inf"]
GAUGES = 24
NAMES = ["http_requests_total", "http_request_duration_seconds_bucket", "http_request_duration_seconds_sum",
         "http_request_duration_seconds_count", "worker_queue_depth"]


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def encode_labels(labels):
    return b"".join(field(1, field(1, k.encode()) + field(2, v.encode())) for k, v in sorted(labels.items()))


def snappy(data):
    """The block format with literals alone: valid for every reader, and nobody's compression is measured."""
    out = [varint(len(data))]
    for at in range(0, len(data), 65536):
        piece = data[at:at + 65536]
        out += [bytes([61 << 2]), struct.pack("<H", len(piece) - 1), piece]
    return b"".join(out)


def fleet(seed):
    """(labels, values) of every series, in no order that would flatter anybody."""
    rng = random.Random(seed)
    series = []
    for i in range(INSTANCES):
        base = {"job": "api", "instance": f"10.0.3.{i}:8080", "zone": "ab"[i % 2]}
        for handler in HANDLERS:
            rate = rng.uniform(2, 60)
            # Counters of services that have been up for a while. Where one begins at zero, Prometheus 2 and 3
            # extrapolate differently.
            counts = {c: rng.randrange(10**6, 10**7) for c in CODES}
            buckets = [rng.randrange(10**5, 10**6) for _ in BOUNDS]
            total = rng.uniform(10**5, 10**6)
            columns = {c: [] for c in CODES}
            bucket_columns = [[] for _ in BOUNDS]
            sums, all_counts = [], []
            for _ in range(STEPS):
                new = max(0, int(rng.gauss(rate * 15, rate)))
                failed = int(new * rng.uniform(0, 0.08))
                missing = int(new * 0.03)
                for code, n in zip(CODES, (new - failed - missing, missing, failed)):
                    counts[code] += n
                    columns[code].append(float(counts[code]))
                left = new
                for b in range(len(BOUNDS)):
                    n = left if b == len(BOUNDS) - 1 else int(left * rng.uniform(0.1, 0.5))
                    left -= n
                    buckets[b] += n
                cumulative = 0
                for b, n in enumerate(buckets):
                    cumulative += n
                    bucket_columns[b].append(float(cumulative))
                total = round(total + new * rng.uniform(0.02, 0.08), 9)
                sums.append(total)
                all_counts.append(float(cumulative))
            at = {**base, "method": "POST" if handler == "/checkout" else "GET", "endpoint": handler}
            for code in CODES:
                series.append(({**at, "__name__": "http_requests_total", "status": code}, columns[code]))
            for bound, column in zip(BOUNDS, bucket_columns):
                series.append(({**at, "__name__": "http_request_duration_seconds_bucket", "le": bound}, column))
            series.append(({**at, "__name__": "http_request_duration_seconds_sum"}, sums))
            series.append(({**at, "__name__": "http_request_duration_seconds_count"}, all_counts))
        for g in range(GAUGES):
            value = rng.uniform(10, 1000)
            column = []
            for _ in range(STEPS):
                value += rng.gauss(0, 3)
                # Constants, whole numbers, two decimals, full precision.
                column.append((42.0, float(int(value)), round(value, 2), value)[g % 4])
            series.append(({**base, "__name__": "worker_queue_depth", "queue": f"q{g:02}"}, column))
    rng.shuffle(series)
    return series


def requests(seed, end_ms):
    """(number of series, first time, last time, bodies): one body for each step."""
    series = fleet(seed)
    first = end_ms - (STEPS - 1) * STEP_MS
    stamp_size = len(varint(first))
    heads = []
    for labels, _ in series:
        encoded = encode_labels(labels)
        # Sample {1: double, 2: varint}; its length is the same for every time of the run.
        sample_size = 1 + 8 + 1 + stamp_size
        heads.append(b"\x0a" + varint(len(encoded) + 2 + sample_size) + encoded + b"\x12" + varint(sample_size) + b"\x09")
    bodies = []
    pack = struct.Struct("<d").pack
    for step in range(STEPS):
        stamp = varint(first + step * STEP_MS)
        assert len(stamp) == stamp_size
        tail = b"\x10" + stamp
        bodies.append(snappy(b"".join([head + pack(values[step]) + tail for head, (_, values) in zip(heads, series)])))
    return len(series), first, first + (STEPS - 1) * STEP_MS, bodies
