require 'time'

puts 'said while starting'
$count = 0

class Custom < StandardError; end

module Doing
  class << self
    def echo(event, _context) = event['value']
    def none(_event, _context) = nil

    def context(_event, context)
      { id: context.aws_request_id, arn: context.invoked_function_arn, name: context.function_name,
        version: context.function_version, memory: context.memory_limit_in_mb, group: context.log_group_name,
        stream: context.log_stream_name, client: context.client_context && context.client_context['custom'],
        identity: context.identity && context.identity['cognitoIdentityId'] }
    end

    def remaining(_event, context)
      first = context.get_remaining_time_in_millis
      sleep 0.02
      [first, context.get_remaining_time_in_millis]
    end

    def env(_event, _context) = ENV.to_h
    def trace(_event, _context) = ENV.fetch('_X_AMZN_TRACE_ID', nil)
    def raise(event, _context) = Kernel.raise(Custom, event['message'])
    def exit(event, _context) = Process.exit!(event['code'])
    def kill(_event, _context) = Process.kill('KILL', Process.pid)

    def sleep(event, context = nil)
      return Kernel.sleep(event) unless context

      Kernel.sleep(event['ms'] / 1000.0)
      $count
    end

    def oom(_event, _context)
      held = []
      loop { held << ('x' * (8 << 20)) }
    end

    def big(event, _context) = 'x' * event['size']
    def size(event, _context) = event['value'].size

    def print(event, _context)
      event['lines'].each do |line|
        $stdout.puts line
        $stderr.puts line
      end
      nil
    end

    def event(event, _context) = puts(event['text'])
    def count(_event, _context) = $count

    def tmp(_event, _context)
      had = File.exist?('/tmp/kept')
      File.write('/tmp/kept', 'x')
      had
    end

    def write(event, _context)
      File.write(event['path'], '')
    rescue SystemCallError => e
      e.class.new.message
    end

    def place(_event, _context)
      { cwd: Dir.pwd, zone: Time.now.strftime('%z'), pid: Process.pid, uid: Process.uid }
    end

    def bad(_event, _context) = Float::NAN
  end
end

def handler(event:, context:)
  $count += 1
  Doing.send(event['do'], event, context)
end
