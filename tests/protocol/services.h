#pragma once
/* The services of the official cases, in the protocols that we speak. */
#include "gen/apigateway.h"
#include "gen/cbor.h"
#include "gen/cborplain.h"
#include "gen/cborqc.h"
#include "gen/glacier.h"
#include "gen/json10.h"
#include "gen/json10qc.h"
#include "gen/json11.h"
#include "gen/machinelearning.h"
#include "gen/query.h"
#include "gen/restjson.h"
#include "gen/restjsonvalidation.h"
#include "gen/restxml.h"
#include "gen/restxmlns.h"
#include "gen/s3.h"

static const struct aws_service *const services[] = {
    &apigateway_service,      &cbor_service,      &cborplain_service, &cborqc_service,
    &glacier_service,         &json10_service,    &json10qc_service,  &json11_service,
    &machinelearning_service, &query_service,     &restjson_service,  &restjsonvalidation_service,
    &restxml_service,         &restxmlns_service, &s3_service,
};
