# Section 1 of the guide.
from prometheus_client import Counter, Histogram, generate_latest
from fastapi import Response

# Left out by the guide.
import os
import time
from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy import text
from sqlalchemy.orm import Session
from app import health
from app.db import create_tables, get_db
from app.logging_config import setup_logging

app = FastAPI()

REQUEST_COUNT = Counter(
    'http_requests_total',
    'Total HTTP requests',
    ['method', 'endpoint', 'status']
)

REQUEST_DURATION = Histogram(
    'http_request_duration_seconds',
    'HTTP request duration',
    ['method', 'endpoint']
)

@app.middleware("http")
async def metrics_middleware(request, call_next):
    start_time = time.time()
    response = await call_next(request)
    duration = time.time() - start_time
    
    REQUEST_COUNT.labels(
        method=request.method,
        endpoint=request.url.path,
        status=response.status_code
    ).inc()
    
    REQUEST_DURATION.labels(
        method=request.method,
        endpoint=request.url.path
    ).observe(duration)
    
    return response

@app.get("/metrics")
async def metrics():
    return Response(content=generate_latest(), media_type="text/plain")


# Section 4 of the guide.
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

trace.set_tracer_provider(TracerProvider())
tracer = trace.get_tracer(__name__)

# Left out by the guide: nothing hands spans to an exporter. The console one that it imports, and OTLP beside it, which is
# set up by OpenTelemetry's own environment variables.
from opentelemetry.sdk.trace.export import BatchSpanProcessor
if os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))
trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))

FastAPIInstrumentor.instrument_app(app)

# The use of section 2, and routes that the other sections watch.
logger = setup_logging()
app.include_router(health.router)
create_tables()


@app.post("/login/{user_id}")
async def login(user_id: int, request: Request):
    client_ip = request.client.host
    logger.info("User logged in", extra={"user_id": user_id, "ip": client_ip})
    return {"user_id": user_id}


@app.get("/orders/{order_id}")
def order(order_id: int, db: Session = Depends(get_db)):
    found = db.execute(text("SELECT item, price FROM orders WHERE id = :id"), {"id": order_id}).first()
    if found is None:
        raise HTTPException(status_code=404, detail="no such order")
    logger.info("Order shown", extra={"order_id": order_id, "price": found.price, "paid": order_id % 2 == 0})
    return {"item": found.item, "price": found.price}


@app.get("/broken")
async def broken():
    try:
        raise RuntimeError("the till is stuck")
    except RuntimeError:
        logger.exception("Order failed", extra={"attempts": 3})
        raise HTTPException(status_code=500, detail="the till is stuck")
