// Metrics, logs and traces in one include.
#pragma once

#include "sonde/context.h"
#include "sonde/counter.h"
#include "sonde/field.h"
#include "sonde/gauge.h"
#include "sonde/histogram.h"
#include "sonde/init.h"
#include "sonde/log.h"
#include "sonde/registry.h"
#include "sonde/span.h"
