# A function in Ruby: a greeting, and how many this instance has said.
require 'json'

$count = 0

def lambda_handler(event:, context:)
  $count += 1
  puts "greeting #{event['name']}, #{context.get_remaining_time_in_millis} ms left"
  body = { message: "Hello, #{event.fetch('name', 'World')}!", count: $count, id: context.aws_request_id }
  { statusCode: 200, body: JSON.generate(body) }
end
