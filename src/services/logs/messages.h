#pragma once
/* Every text that this service answers with, in one place: error and format, to be spread into
 * svc_fail(). The models carry no texts. Where each comes from:
 *
 *   documented  in AWS's API reference or user guide
 *   observed    in AWS's answers as recorded in public sources (client issues, recorded tests)
 *   ours        AWS has no such answer, or none was seen
 *
 * Texts of constraint violations ("1 validation error detected: …") come from the wire engine, but
 * for retentionInDays, whose values the model does not list; those of filter patterns come from
 * filter_parse.c. */
#include "gen/logs.h"

#define LOGS_BAD_VALUE &logs_error_InvalidParameterException
#define LOGS_NOT_FOUND &logs_error_ResourceNotFoundException

/* observed */
#define MSG_GROUP_EXISTS                                                                           \
    &logs_error_ResourceAlreadyExistsException, "The specified log group already exists"
/* observed */
#define MSG_STREAM_EXISTS                                                                          \
    &logs_error_ResourceAlreadyExistsException, "The specified log stream already exists"
/* observed */
#define MSG_GROUP_NOT_FOUND LOGS_NOT_FOUND, "The specified log group does not exist."
/* observed */
#define MSG_STREAM_NOT_FOUND LOGS_NOT_FOUND, "The specified log stream does not exist."
/* observed */
#define MSG_RESOURCE_NOT_FOUND LOGS_NOT_FOUND, "The specified resource does not exist."
/* observed */
#define MSG_GROUP_RESERVED LOGS_BAD_VALUE, "Log groups starting with AWS/ are reserved for AWS."
/* observed */
#define MSG_PREFIX_AND_PATTERN                                                                     \
    LOGS_BAD_VALUE,                                                                                \
        "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
/* observed */
#define MSG_NAME_AND_ARN                                                                           \
    &logs_error_ValidationException,                                                               \
        "LogGroup name and LogGroup ARN are mutually exclusive parameters."
/* documented: "You must include one of these two parameters"; the words are ours */
#define MSG_NAME_OR_ARN                                                                            \
    LOGS_BAD_VALUE, "Either logGroupName or logGroupIdentifier must be specified."
/* documented: logGroupIdentifier is a name or an ARN; the words are ours */
#define MSG_IDENTIFIER LOGS_BAD_VALUE, "The specified log group identifier is not valid."
/* documented: logGroupIdentifiers goes with no filter; the words are ours */
#define MSG_IDENTIFIERS_ALONE                                                                      \
    LOGS_BAD_VALUE, "logGroupIdentifiers cannot be combined with logGroupNamePrefix, "             \
                    "logGroupNamePattern, logGroupClass, limit or nextToken."
/* observed */
#define MSG_ORDER_AND_PREFIX                                                                       \
    LOGS_BAD_VALUE, "Cannot order by LastEventTime with a logStreamNamePrefix."
/* observed */
#define MSG_TOKEN LOGS_BAD_VALUE, "The specified nextToken is invalid."
/* documented: InvalidParameterException; the words are ours */
#define MSG_NAMES_AND_PREFIX                                                                       \
    LOGS_BAD_VALUE, "logStreamNames and logStreamNamePrefix are mutually exclusive parameters."
/* observed */
#define MSG_NOT_CHRONOLOGICAL                                                                      \
    LOGS_BAD_VALUE, "Log events in a single PutLogEvents request must be in chronological order."
/* observed */
#define MSG_SPAN                                                                                   \
    LOGS_BAD_VALUE, "The batch of log events in a single PutLogEvents request cannot span more "   \
                    "than 24 hours."
/* observed */
#define MSG_EVENT_SIZE LOGS_BAD_VALUE, "Log event too large: %zu bytes exceeds limit of %d"
/* observed */
#define MSG_BATCH_SIZE LOGS_BAD_VALUE, "Upload too large: %zu bytes exceeds limit of %d"
/* observed, but for the order of the values */
#define MSG_RETENTION                                                                              \
    LOGS_BAD_VALUE, "1 validation error detected: Value '%d' at 'retentionInDays' failed to "      \
                    "satisfy constraint: Member must satisfy enum value set: [" STR_FMT "]"
/* documented: 50 tags; the words are ours */
#define MSG_TAGS_MAX                                                                               \
    &logs_error_TooManyTagsException, "A log group can have at most %d tags, and this one would "  \
                                      "have %zu."
/* documented: the prefix is reserved; the words are ours */
#define MSG_TAG_RESERVED                                                                           \
    LOGS_BAD_VALUE, "The tag key '" STR_FMT "' starts with aws:, which is reserved."
/* ours */
#define MSG_ARN LOGS_BAD_VALUE, "'" STR_FMT "' is not the ARN of a log group."
/* ours; %s: the member of the request */
#define MSG_UNSUPPORTED LOGS_BAD_VALUE, "Virga does not support %s yet."
