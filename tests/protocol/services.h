#pragma once
/* The services of the official cases, in the protocols that we speak. */
#include "gen/apigateway.h"
#include "gen/glacier.h"
#include "gen/restjson.h"
#include "gen/restjsonvalidation.h"

static const struct aws_service *const services[] = {
    &apigateway_service,
    &glacier_service,
    &restjson_service,
    &restjsonvalidation_service,
};
