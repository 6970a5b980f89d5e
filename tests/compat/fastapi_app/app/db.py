# Section 5 of the guide.
from sqlalchemy import event
import logging

# Left out by the guide: Engine, and the engine and sessions themselves.
import os
import time
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import sessionmaker

logger = logging.getLogger(__name__)


# Left out by the guide: SQLAlchemy's context has no `execution_time` of its own. Registered first, these run first.
@event.listens_for(Engine, "before_cursor_execute")
def start_clock(conn, cursor, statement, parameters, context, executemany):
    context.started_at = time.perf_counter()

@event.listens_for(Engine, "after_cursor_execute")
def stop_clock(conn, cursor, statement, parameters, context, executemany):
    context.execution_time = time.perf_counter() - context.started_at


@event.listens_for(Engine, "before_cursor_execute")
def receive_before_cursor_execute(conn, cursor, statement, parameters, context, executemany):
    logger.info(f"Query: {statement[:100]}")

@event.listens_for(Engine, "after_cursor_execute")
def receive_after_cursor_execute(conn, cursor, statement, parameters, context, executemany):
    logger.info(f"Query duration: {context.execution_time}")


engine = create_engine(f"sqlite:///{os.environ['DATABASE']}", connect_args={"check_same_thread": False})
SQLAlchemyInstrumentor().instrument(engine=engine)
SessionLocal = sessionmaker(bind=engine)


def create_tables():
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, item TEXT, price REAL)"))
        connection.execute(text("INSERT INTO orders (item, price) VALUES ('lamp', 19.5), ('desk', 240)"))


def get_db():
    db = SessionLocal()
    try:
        yield db
    finally:
        db.close()
