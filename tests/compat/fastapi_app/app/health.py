# Section 3 of the guide.
from fastapi import APIRouter
from sqlalchemy import text

# Left out by the guide.
from fastapi import Depends, HTTPException
from sqlalchemy.orm import Session
from app.db import get_db

router = APIRouter()

@router.get("/health/live")
async def liveness():
    """Kubernetes liveness probe"""
    return {"status": "alive"}

@router.get("/health/ready")
async def readiness(db: Session = Depends(get_db)):
    """Kubernetes readiness probe"""
    try:
        db.execute(text("SELECT 1"))
        return {"status": "ready"}
    except Exception as e:
        raise HTTPException(status_code=503, detail=str(e))
