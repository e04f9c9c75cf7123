import json


# AWS Lambda function - the simplest serverless
def lambda_handler(event, context):
    """
    This function only exists when called
    Billed by millisecond of execution
    """

    name = event.get('name', 'World')
    greeting = f"Hello, {name}!"

    if 'premium' in event:
        greeting += " 🌟 Welcome, premium user!"

    return {
        'statusCode': 200,
        'body': json.dumps({
            'message': greeting,
            'executionTime': context.get_remaining_time_in_millis(),
            'requestId': context.request_id
        })
    }
