#pragma once
/* Every text that this service answers with, in one place: error and format, to be spread into
 * svc_fail(). The models carry no texts. Where each comes from:
 *
 *   documented  in AWS's API reference or developer guide
 *   observed    in AWS's answers as recorded in public sources (client issues, recorded tests)
 *   ours        AWS has no such answer, because it has the feature
 *
 * Texts of constraint violations ("1 validation error detected: …") come from the wire engine,
 * except where AWS's service checks by itself. */
#include "gen/lambda.h"

#define LAMBDA_BAD_VALUE &lambda_error_InvalidParameterValueException

/* --- functions ------------------------------------------------------------------------------ */

/* observed */
#define MSG_FUNCTION_EXISTS                                                                        \
    &lambda_error_ResourceConflictException, "Function already exist: " STR_FMT
/* observed */
#define MSG_FUNCTION_NOT_FOUND                                                                     \
    &lambda_error_ResourceNotFoundException, "Function not found: " STR_FMT
/* observed */
#define MSG_OTHER_REGION                                                                           \
    &lambda_error_ResourceNotFoundException,                                                       \
        "Functions from '" STR_FMT "' are not reachable in this region ('" STR_FMT "')"
/* observed */
#define MSG_OTHER_ACCOUNT                                                                          \
    &aws_error_access_denied,                                                                      \
        "User: " STR_FMT " is not authorized to perform: lambda:" STR_FMT " on resource: " STR_FMT \
        " because no resource-based policy allows the lambda:" STR_FMT " action"
/* observed */
#define MSG_NAME_PATTERN                                                                           \
    &aws_error_validation,                                                                         \
        "1 validation error detected: Value '" STR_FMT                                             \
        "' at 'functionName' failed to satisfy constraint: Member must satisfy regular "           \
        "expression pattern: "                                                                     \
        "(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?"        \
        "(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?"
/* observed */
#define MSG_NAME_TOO_LONG                                                                          \
    LAMBDA_BAD_VALUE, "1 validation error detected: Value '" STR_FMT                               \
                      "' at 'functionName' failed to satisfy constraint: Member must have "        \
                      "length less than or equal to 64"
/* observed */
#define MSG_QUALIFIER_MISMATCH                                                                     \
    LAMBDA_BAD_VALUE, "The derived qualifier from the function name does not match the "           \
                      "specified qualifier."
/* observed */
#define MSG_LATEST_ONLY                                                                            \
    LAMBDA_BAD_VALUE, "Current operation does not support versions other than $LATEST. Please "    \
                      "set the version to $LATEST or do not set a version in your request."
/* observed */
#define MSG_DELETE_LATEST                                                                          \
    LAMBDA_BAD_VALUE, "$LATEST version cannot be deleted without deleting the function."
/* observed */
#define MSG_REVISION                                                                               \
    &lambda_error_PreconditionFailedException,                                                     \
        "The Revision Id provided does not match the latest Revision Id. Call the "                \
        "GetFunction/GetAlias API to retrieve the latest Revision Id"
/* documented: Marker comes from an earlier answer; the words are ours */
#define MSG_MARKER LAMBDA_BAD_VALUE, "Invalid Marker: it is not one that ListFunctions returned."

/* observed */
#define MSG_FUNCTION_ONLY                                                                          \
    LAMBDA_BAD_VALUE,                                                                              \
        "This operation is permitted on Lambda functions only. Aliases and versions "              \
        "do not support this operation. Please specify either a function name or "                 \
        "an unqualified function ARN."

/* --- versions and aliases ------------------------------------------------------------------- */

/* observed */
#define MSG_CODE_SHA256                                                                            \
    LAMBDA_BAD_VALUE,                                                                              \
        "CodeSHA256 (" STR_FMT ") is different from current CodeSHA256 in $LATEST (" STR_FMT       \
        "). Please try again with the CodeSHA256 in $LATEST."
/* observed */
#define MSG_VERSION_NAMED                                                                          \
    &lambda_error_ResourceConflictException,                                                       \
        "Version was unable to be deleted because the following aliases reference it: [" STR_FMT   \
        "]"
/* observed */
#define MSG_DELETE_ALIAS LAMBDA_BAD_VALUE, "Deletion of aliases is not currently supported."
/* observed */
#define MSG_ALIAS_EXISTS                                                                           \
    &lambda_error_ResourceConflictException, "Alias already exists: " STR_FMT ":" STR_FMT
/* observed */
#define MSG_ALIAS_NOT_FOUND                                                                        \
    &lambda_error_ResourceNotFoundException, "Cannot find alias arn: " STR_FMT ":" STR_FMT
/* observed */
#define MSG_ALIAS_WEIGHTS                                                                          \
    LAMBDA_BAD_VALUE, "Number of items in AdditionalVersionWeights cannot be greater than 1"
/* observed */
#define MSG_ALIAS_LATEST                                                                           \
    LAMBDA_BAD_VALUE, "$LATEST is not supported for an alias pointing to more than 1 version"
/* observed */
#define MSG_ALIAS_TWICE                                                                            \
    LAMBDA_BAD_VALUE, "Invalid function version %lld. Function version %lld is already included "  \
                      "in routing configuration."

/* --- code ----------------------------------------------------------------------------------- */

/* observed */
#define MSG_UNZIP                                                                                  \
    LAMBDA_BAD_VALUE, "Could not unzip uploaded file. Please check your file, then try to "        \
                      "upload again."
/* observed */
#define MSG_ZIP_EMPTY LAMBDA_BAD_VALUE, "Uploaded file must be a non-empty zip"
/* observed */
#define MSG_UNZIPPED_SIZE LAMBDA_BAD_VALUE, "Unzipped size must be smaller than 262144000 bytes"
/* observed */
#define MSG_ZIPPED_SIZE LAMBDA_BAD_VALUE, "Zipped size must be smaller than 52428800 bytes"
/* observed */
#define MSG_NO_CODE LAMBDA_BAD_VALUE, "Please provide a source for function code."
/* observed */
#define MSG_IMAGE_FOR_ZIP                                                                          \
    LAMBDA_BAD_VALUE, "Please don't provide ImageUri when updating a function with packageType "   \
                      "Zip."
/* ours: AWS's limit is the unzipped size alone */
#define MSG_TOO_MANY_FILES LAMBDA_BAD_VALUE, "The package must hold fewer than %u files."
/* documented: InvalidZipFileException */
#define MSG_CODE_LOST                                                                              \
    &lambda_error_InvalidZipFileException, "Lambda could not unzip the deployment package."

/* observed: of a version that cannot be called yet, or not at all */
#define MSG_STATE                                                                                  \
    &lambda_error_ResourceConflictException,                                                       \
        "The operation cannot be performed at this time. The function is currently in the "        \
        "following state: %s"
/* observed */
#define MSG_RESOURCE_STATE                                                                         \
    &lambda_error_ResourceConflictException,                                                       \
        "The operation cannot be performed at this time. The resource " STR_FMT                    \
        " is currently in the following state: 'Failed'. StateReasonCode: 'FunctionError'"

/* --- layers --------------------------------------------------------------------------------- */

/* observed */
#define MSG_LAYER_NOT_FOUND                                                                        \
    &lambda_error_ResourceNotFoundException, "The resource you requested does not exist."
/* observed */
#define MSG_LAYER_VERSION LAMBDA_BAD_VALUE, "Layer Version Cannot be less than 1"
/* observed */
#define MSG_LAYERS_MAX LAMBDA_BAD_VALUE, "Cannot reference more than %d layers."
/* observed */
#define MSG_LAYER_MISSING LAMBDA_BAD_VALUE, "Layer version " STR_FMT " does not exist."
/* observed */
#define MSG_LAYER_REGION                                                                           \
    LAMBDA_BAD_VALUE, "Layers are not in the same region as the function. Layers are expected to " \
                      "be in region " STR_FMT "."
/* observed */
#define MSG_LAYER_ACCOUNT                                                                          \
    &aws_error_access_denied,                                                                      \
        "User: " STR_FMT " is not authorized to perform: lambda:%s on resource: " STR_FMT          \
        " because no resource-based policy allows the lambda:%s action"
/* observed */
#define MSG_LAYER_TWICE                                                                            \
    LAMBDA_BAD_VALUE, "Two different versions of the same layer are not allowed to be referenced " \
                      "in the same function. " STR_FMT " and " STR_FMT "."
/* observed */
#define MSG_LAYERS_SIZE                                                                            \
    LAMBDA_BAD_VALUE, "Function code combined with layers exceeds the maximum allowed size of "    \
                      "262144000 bytes. The actual size is %" PRId64 " bytes."
/* documented: Content is required; the words are those for functions */
#define MSG_NO_LAYER_CODE LAMBDA_BAD_VALUE, "Please provide a source for layer content."

/* --- configuration -------------------------------------------------------------------------- */

/* observed */
#define MSG_MANDATORY                                                                              \
    LAMBDA_BAD_VALUE, "Runtime and Handler are mandatory parameters for functions created with "   \
                      "deployment packages."
/* observed */
#define MSG_RUNTIME                                                                                \
    LAMBDA_BAD_VALUE, "Value " STR_FMT " at 'runtime' failed to satisfy constraint: Member must "  \
                      "satisfy enum value set: [" STR_FMT "] or be a valid ARN"
/* observed */
#define MSG_RUNTIME_OLD                                                                            \
    LAMBDA_BAD_VALUE, "The runtime parameter of " STR_FMT " is no longer supported for creating "  \
                      "or updating AWS Lambda functions. We recommend you use the new runtime "    \
                      "(%s) while creating or updating functions."
/* ours: what remains of AWS's list is .NET */
#define MSG_RUNTIME_NONE                                                                           \
    LAMBDA_BAD_VALUE, "Virga does not run " STR_FMT " functions. Publish the function "            \
                      "self-contained for linux with the Runtime API client "                      \
                      "(Amazon.Lambda.RuntimeSupport), call its program bootstrap, and use the "   \
                      "runtime provided.al2023."
/* ours */
#define MSG_RUNTIME_MISSING                                                                        \
    LAMBDA_BAD_VALUE,                                                                              \
        STR_FMT " functions need %s or another version of it, and this Virga has "                 \
                "none. Install Debian's package %s and restart Virga, or use the runtime "         \
                "provided.al2023 and bring an interpreter along."
/* ours */
#define MSG_RUNTIME_STRICT                                                                         \
    LAMBDA_BAD_VALUE, "%s is not installed on this host, and in strict mode no other version "     \
                      "stands in for " STR_FMT ". Installed is %s."
/* observed */
#define MSG_TIMEOUT                                                                                \
    &aws_error_validation, "1 validation error detected: Value '%d' at 'timeout' failed to "       \
                           "satisfy constraint: Member must have value less than or equal to 900"
/* observed */
#define MSG_MEMORY                                                                                 \
    LAMBDA_BAD_VALUE, "'MemorySize' value failed to satisfy constraint: Member must have value "   \
                      "less than or equal to 10240"
/* observed */
#define MSG_ENV_SIZE                                                                               \
    LAMBDA_BAD_VALUE, "Lambda was unable to configure your environment variables because the "     \
                      "environment variables you have provided exceeded the 4KB limit. String "    \
                      "measured: " STR_FMT
/* observed */
#define MSG_ENV_RESERVED                                                                           \
    LAMBDA_BAD_VALUE, "Lambda was unable to configure your environment variables because the "     \
                      "environment variables you have provided contains reserved keys that are "   \
                      "currently not supported for modification. Reserved keys used in this "      \
                      "request: " STR_FMT
/* ours */
#define MSG_ENV_NUL LAMBDA_BAD_VALUE, "Environment variables cannot contain NUL characters."
/* ours */
#define MSG_ARCHITECTURE                                                                           \
    LAMBDA_BAD_VALUE, "Virga runs functions on this machine's own architecture (%s) only, not "    \
                      "on " STR_FMT "."
/* observed */
#define MSG_SNAP_START                                                                             \
    LAMBDA_BAD_VALUE, STR_FMT " is not supported for SnapStart enabled functions."
/* observed */
#define MSG_LOG_LEVEL                                                                              \
    LAMBDA_BAD_VALUE,                                                                              \
        "LogLevel is not supported when LogFormat is set to \"Text\". Remove "                     \
        "LogLevel from your request or change the LogFormat to \"Json\" and try again."
/* ours; %s: the member of the request */
#define MSG_UNSUPPORTED LAMBDA_BAD_VALUE, "Virga does not support %s yet."

/* observed */
#define MSG_TAGS_OF_VERSION                                                                        \
    LAMBDA_BAD_VALUE, "Tags on function aliases and versions are not supported. Please specify "   \
                      "a function ARN."
/* observed */
#define MSG_UNRESERVED                                                                             \
    LAMBDA_BAD_VALUE, "Specified ReservedConcurrentExecutions for function decreases account's "   \
                      "UnreservedConcurrentExecution below its minimum value of [%d]."
/* observed */
#define MSG_TAGS LAMBDA_BAD_VALUE, "Number of tags exceeds resource tag limit."

/* --- invocation ----------------------------------------------------------------------------- */

/* observed, up to the reason, which follows AWS's parser only roughly */
#define MSG_PAYLOAD                                                                                \
    &lambda_error_InvalidRequestContentException,                                                  \
        "Could not parse request body into json: Could not parse payload into json: " STR_FMT
/* observed */
#define MSG_PAYLOAD_SIZE                                                                           \
    &lambda_error_entity_too_large,                                                                \
        "Request must be smaller than %d bytes for the InvokeFunction operation"
/* documented: "Up to 3,583 bytes of base64-encoded data", a JSON object; the words are ours */
#define MSG_CLIENT_CONTEXT                                                                         \
    &lambda_error_InvalidRequestContentException,                                                  \
        "Client context must be a valid Base64-encoded JSON object of at most 3583 bytes."
/* observed */
#define MSG_EVENT_SIZE                                                                             \
    &lambda_error_entity_too_large,                                                                \
        "%zu byte payload is too large for the Event invocation type (limit %d bytes)"
/* observed */
#define MSG_EVENT_CONFIG_NONE                                                                      \
    LAMBDA_BAD_VALUE, "You must specify at least one of error handling or destination setting."
/* observed */
#define MSG_EVENT_CONFIG_NOT_FOUND                                                                 \
    &lambda_error_ResourceNotFoundException,                                                       \
        "The function " STR_FMT " doesn't have an EventInvokeConfig"
/* observed */
#define MSG_FUNCTION_MISSING &lambda_error_ResourceNotFoundException, "The function doesn't exist."
/* --- function URLs -------------------------------------------------------------------------- */

/* observed */
#define MSG_URL_FORBIDDEN &aws_error_access_denied, "Forbidden"
/* observed */
#define MSG_URL_SIZE &aws_error_request_too_large, "Request Entity Too Large"
/* ours: told to nobody, since an answer that was begun can only break off */
#define MSG_URL_BROKE_OFF &lambda_error_ServiceException, "The function's answer broke off."
/* observed */
#define MSG_URL_NOT_FOUND                                                                          \
    &lambda_error_ResourceNotFoundException, "The resource you requested does not exist."
/* observed */
#define MSG_URL_NO_FUNCTION &lambda_error_ResourceNotFoundException, "Function does not exist"
/* observed */
#define MSG_URL_EXISTS                                                                             \
    &lambda_error_ResourceConflictException,                                                       \
        "Failed to create function url config for [functionArn = " STR_FMT                         \
        "]. Error message:  FunctionUrlConfig exists for this Lambda function"
/* ours */
#define MSG_URL_CORS LAMBDA_BAD_VALUE, "Values in Cors cannot contain control characters."

/* observed */
#define MSG_THROTTLED   &lambda_error_TooManyRequestsException, "Rate Exceeded."
#define MSG_CALLER_RATE &lambda_error_TooManyRequestsException, "Rate exceeded"
