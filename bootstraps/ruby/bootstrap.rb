# frozen_string_literal: true

# Virga's Ruby runtime: what /usr/bin/ruby is given inside the sandbox. It loads the user's handler
# and answers invocations over descriptor 3; src/runtime/frame.h describes the bytes.
#
# What user code sees (LambdaContext, error objects, log lines, AwsLambda::Marshaller) follows AWS's
# client for Ruby (aws_lambda_ric 3), except where a comment says otherwise.
#
# RubyGems costs four times the rest of an interpreter's start (70 of 87 ms), so Ruby is started
# without it. It is loaded when there are gems beside the code or in a layer, and else the moment
# something is required that the standard library does not have, or Gem is mentioned.
#
# User code is hostile to the platform by assumption, and shares this process: nothing here defends
# the platform, which checks every frame.

require 'json'
require 'stringio'

$stdout.sync = true
$_global_aws_request_id = nil # AWS's name for it; of the running invocation, for log lines

# ---------------------------------------------------------------- what user code may use

# The second argument of a handler.
class LambdaContext
  attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name,
              :function_name, :memory_limit_in_mb, :function_version, :identity, :client_context,
              :deadline_ms, :tenant_id

  def initialize(invoke)
    @deadline_ms = invoke.deadline_ms
    @aws_request_id = invoke.request_id
    @invoked_function_arn = invoke.arn
    @log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
    @log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']
    @function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
    @memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
    @function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
    @identity = JSON.parse(invoke.identity) unless invoke.identity.empty?
    @client_context = JSON.parse(invoke.client_context) unless invoke.client_context.empty?
  end

  def get_remaining_time_in_millis
    left = @deadline_ms - Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond)
    left.positive? ? left : 0
  end
end

module AwsLambda
  # How events and results are converted; user code may replace the methods.
  class Marshaller
    class << self
      def marshall_request(raw_request)
        return raw_request.body unless raw_request['Content-Type'] == 'application/json'

        JSON.parse(raw_request.body)
      end

      # The text, or [what it comes from piece by piece, content type].
      def marshall_response(method_response)
        case method_response
        when StringIO, IO then [method_response, 'application/unknown']
        when Virga::Stream then [method_response, Virga::Stream.type_of(method_response)]
        else method_response.to_json
        end
      end
    end
  end
end

# ---------------------------------------------------------------- the runtime

module Virga
  FD = 3
  INVOKE = 2
  READY = 16
  INIT_ERROR = 17
  RESPONSE = 18
  ERROR = 19
  BOOTED = 20
  STREAM_HEAD = 21
  STREAM_CHUNK = 22
  STREAM_END = 23
  LAST = 24
  HEADER = 'VCCvV' # size, type, flags, zero, seq
  HEADER_SIZE = 12
  CHUNK_MAX = 64 * 1024
  EXIT_INIT = 252 # AWS's -4
  EXIT_CRITICAL = 255
  TRACE_MAX = 100
  LINE_BREAK = "\0" # inside one event of the log; src/runtime/lines.h makes it a newline again
  JSON_LOG = ENV['AWS_LAMBDA_LOG_FORMAT'].to_s.casecmp?('json')

  Invoke = Struct.new(:deadline_ms, :request_id, :arn, :trace_id, :client_context, :identity, :body) do
    def [](name)
      name == 'Content-Type' ? 'application/json' : super
    end
  end

  # The socket. Two objects over one descriptor: Ruby keeps one buffer for both directions else.
  class Channel
    def initialize(fd)
      @input = IO.for_fd(fd, 'rb', autoclose: false)
      @output = IO.for_fd(fd, 'wb', autoclose: false)
      @input.close_on_exec = true
      @output.sync = true
    end

    # [type, seq, payload]; nil: the platform has gone.
    def receive
      size, type, _flags, _zero, seq = @input.read(HEADER_SIZE)&.unpack(HEADER)
      payload = size&.positive? ? @input.read(size) : ''
      payload && size ? [type, seq, payload] : nil
    end

    def send(type, seq, payload = '')
      @output.write([payload.bytesize, type, 0, 0, seq].pack(HEADER), payload)
    end
  end

  # Results that are sent as they come, which AWS's client for Ruby does not do: an Enumerator, an
  # IO, or what has each as Rack's bodies have it. Collections, all of them Enumerable, are JSON.
  module Stream
    class << self
      def ===(result)
        case result
        when Enumerator, IO then true
        when Enumerable then false
        else result.respond_to?(:each)
        end
      end

      def type_of(result)
        result.respond_to?(:content_type) ? result.content_type.to_s : 'application/octet-stream'
      end

      def each_piece(result)
        return result.each { |piece| yield piece.is_a?(String) ? piece : piece.to_json } unless result.is_a?(IO)

        loop { yield result.readpartial(CHUNK_MAX) }
      rescue EOFError
        raise unless result.is_a?(IO)
      end
    end
  end

  # An error as the caller of the function receives it.
  class Fault < StandardError
    def initialize(error, classification, is_last: false)
      super(error.message)
      @error = error
      @classification = classification
      @is_last = is_last
    end

    def last?
      @is_last
    end

    def to_h
      @to_h ||= { errorMessage: utf8(@error.message), errorType: "#{@classification}<#{@error.class}>",
                  stackTrace: trace.map { |line| utf8(line) } }
    end

    def to_json_text
      JSON.generate(to_h)
    end

    private

    # Frames of this file are no news to the user.
    def trace
      (@error.backtrace || []).reject { |line| line.start_with?(__FILE__) }.first(TRACE_MAX)
    end

    def utf8(text)
      text.to_s.encode('UTF-8', invalid: :replace, undef: :replace).scrub
    end
  end

  class << self
    # One event of the log, whatever lines it has.
    def write_event(text)
      STDOUT.write(text.b.gsub("\n", LINE_BREAK) << "\n")
    rescue IOError, SystemCallError
      nil # user code may have closed its standard output; the answer matters more
    end

    def log_fault(message, fault)
      if JSON_LOG
        write_event(JSON.generate({ timestamp: iso_time(Time.now), level: 'ERROR', message: message,
                                    requestId: $_global_aws_request_id }.compact.merge(fault.to_h)))
      else
        write_event(message)
        write_event(JSON.pretty_generate(fault.to_h))
      end
    end

    def iso_time(time)
      time.utc.strftime('%Y-%m-%dT%H:%M:%S.%6NZ')
    end
  end

  # ---------------------------------------------------------------- gems and the logger, on demand

  module Demand
    class << self
      def gems?
        defined?(@gems) ? @gems : false
      end

      # Must come before anything is required that gems may replace.
      def gems_beside_the_code?
        ENV.key?('BUNDLE_GEMFILE') || ENV['GEM_PATH'].to_s.split(':').any? { |path| File.directory?(path) }
      end

      # GEM_PATH names what the id promises; gems may as well lie where this Ruby's own tools put them.
      def extend_gem_path
        version = "#{RUBY_VERSION[/\A\d+\.\d+/]}.0"
        root = ENV['LAMBDA_TASK_ROOT'] || '/var/task'
        own = ["#{root}/vendor/bundle/ruby/#{version}", "/opt/ruby/gems/#{version}"]
        ENV['GEM_PATH'] = (ENV['GEM_PATH'].to_s.split(':') | own).join(':')
      end

      def load_gems
        return if gems?

        @gems = true
        Kernel.send(:require, 'rubygems')
        Gem.use_paths(Gem.dir, Gem.path | Gem.default_path) # the system's packages, too
      end

      def loaded(path)
        return unless path == 'logger' && defined?(::Logger) && !@is_logger_patched

        @is_logger_patched = true
        patch_logger
      end

      private

      # A Logger to standard output writes AWS's lines, with the request's id.
      def patch_logger
        ::Logger.prepend(Module.new do
          def initialize(logdev = nil, *args, level: nil, formatter: nil, **options)
            is_ours = logdev.nil? || logdev == $stdout || logdev == $stderr
            level ||= (is_ours && ENV['AWS_LAMBDA_LOG_LEVEL']&.downcase) || 'debug'
            level = { 'trace' => 'debug' }.fetch(level.to_s, level)
            formatter ||= JSON_LOG ? Demand.json_formatter : Demand.text_formatter if is_ours
            super(is_ours ? Sink.new : logdev, *args, level: level, formatter: formatter, **options)
          end
        end)
      end

      public

      def text_formatter
        proc do |severity, time, progname, message|
          text = Demand.message_text(message)
          format("%s, [%s #%d] %5s %s -- %s: %s\n", severity[0], time.strftime('%Y-%m-%dT%H:%M:%S.%6N'),
                 Process.pid, severity, $_global_aws_request_id, progname, text)
        end
      end

      def json_formatter
        proc do |severity, time, progname, message|
          record = { timestamp: Virga.iso_time(time), level: severity,
                     message: message.is_a?(Exception) ? message.message : Demand.message_text(message),
                     requestId: $_global_aws_request_id, logger: progname }
          if message.is_a?(Exception)
            record.update(errorType: message.class.to_s, errorMessage: message.message,
                          stackTrace: message.backtrace || [])
          end
          "#{JSON.generate(record.compact)}\n"
        end
      end

      def message_text(message)
        case message
        when String then message
        when Exception then "#{message.message} (#{message.class})\n#{message.backtrace&.join("\n")}"
        else message.inspect
        end
      end
    end

    # Where a Logger writes: every message is one event.
    class Sink
      def write(text)
        Virga.write_event(text.chomp)
      end

      def close; end
    end
  end

  # ---------------------------------------------------------------- handlers

  USAGE = 'must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where FILENAME corresponds with ' \
          'an existing Ruby source file FILENAME.rb, CLASS is an optional module/class namespace and ' \
          'METHOD is a callable method. If using CLASS, METHOD must be a class-level method.'
end

# Named as in AWS's client, because NoMethodError tells the name.
class LambdaHandler
  attr_reader :file_name

  def initialize(name)
    parts = name.split('.')
    case parts.size
    when 2 then @file_name, @method_name = parts
    when 3 then @file_name, @class_name, @method_name = parts
    else raise ArgumentError, "Invalid handler #{parts}, #{Virga::USAGE}"
    end
  end

  # The text of the result, or [stream, content type]. Conversion can be a part of user code.
  def call(event, context)
    LambdaHandler.guarded do
      result = if @class_name
                 Kernel.const_get(@class_name).send(@method_name, event: event, context: context)
               else
                 __send__(@method_name, event: event, context: context)
               end
      AwsLambda::Marshaller.marshall_response(result)
    end
  end

  # Runs user code; its exceptions become those that the caller is told.
  def self.guarded
    yield
  rescue NameError => e # NoMethodError is one
    raise Virga::Fault.new(e, 'Function', is_last: true)
  rescue StandardError => e
    raise Virga::Fault.new(e, 'Function')
  rescue Exception => e # exit, signals, no memory
    raise Virga::Fault.new(e, 'Function', is_last: true)
  end

  def inspect
    '#<LambdaHandler>'
  end
end

module Virga
  class Runtime
    def initialize(channel)
      @channel = channel
    end

    def run
      @channel.send(BOOTED, 0)
      handler = load_handler
      @channel.send(READY, 0)
      while (frame = @channel.receive)
        type, seq, payload = frame
        break unless type == INVOKE

        serve(handler, seq, split(payload))
      end
    end

    private

    def load_handler
      name = ENV['_HANDLER'].to_s
      root = ENV['LAMBDA_TASK_ROOT'] || '/var/task'
      $LOAD_PATH.unshift(root) unless $LOAD_PATH.include?(root)
      Demand.extend_gem_path
      Demand.load_gems if Demand.gems_beside_the_code?
      handler = LambdaHandler.new(name)
      TOPLEVEL_BINDING.receiver.send(:require, handler.file_name)
      handler
    rescue Exception => e
      fail_init(name, Fault.new(e, 'Init'))
    end

    def fail_init(name, fault)
      Virga.log_fault("Init error when loading handler #{name}", fault)
      @channel.send(INIT_ERROR, 0, fault.to_json_text)
      exit(EXIT_INIT)
    end

    def split(payload)
      invoke = Invoke.new(payload.unpack1('q<'))
      at = 8
      (1..5).each do |member|
        size = payload.unpack1('v', offset: at)
        invoke[member] = payload.byteslice(at + 2, size).force_encoding('UTF-8')
        at += 2 + size
      end
      invoke.body = payload.byteslice(at..).force_encoding('UTF-8')
      invoke
    end

    def serve(handler, seq, invoke)
      $_global_aws_request_id = invoke.request_id
      ENV['_X_AMZN_TRACE_ID'] = invoke.trace_id.empty? ? nil : invoke.trace_id
      answer, type = answer_of(handler, invoke)
      stream(seq, answer, type) if type
      @channel.send(RESPONSE, seq, type ? '' : answer)
    rescue Fault => e
      Virga.log_fault(e.last? ? 'Critical exception from handler' : 'Error raised from handler method', e)
      @channel.send(LAST, seq) if e.last?
      @channel.send(ERROR, seq, e.to_json_text)
      exit(EXIT_CRITICAL) if e.last?
    end

    # The head goes with the first piece: what fails before it is an error like any other.
    def stream(seq, result, type)
      is_begun = false
      LambdaHandler.guarded do
        Stream.each_piece(result) do |piece|
          next if piece.empty?

          @channel.send(STREAM_HEAD, seq, type) unless is_begun
          is_begun = true
          send_piece(seq, piece.b)
        end
      end
      @channel.send(STREAM_HEAD, seq, type) unless is_begun
      @channel.send(STREAM_END, seq)
    end

    def send_piece(seq, bytes)
      0.step(bytes.bytesize - 1, CHUNK_MAX) { |at| @channel.send(STREAM_CHUNK, seq, bytes.byteslice(at, CHUNK_MAX)) }
    end

    # The text and nothing, or what it comes from and its type.
    def answer_of(handler, invoke)
      event = AwsLambda::Marshaller.marshall_request(invoke)
      context = LambdaContext.new(invoke)
      answer, type = handler.call(event, context)
      return [answer.read.to_s, nil] if type == 'application/unknown' && !answer.is_a?(IO)

      type && Stream === answer ? [answer, type] : [answer.to_s, nil]
    rescue Fault
      raise
    rescue StandardError => e # a context or an event that is no JSON, a stream that cannot be read
      raise Fault.new(e, 'Function')
    end
  end
end

# ---------------------------------------------------------------- changes of Ruby itself

Object.autoload(:Gem, 'rubygems')
Object.autoload(:RbConfig, 'rbconfig') # which RubyGems would have loaded

module Kernel
  alias_method :virga_plain_require, :require
  private :virga_plain_require

  def require(path)
    result = begin
      virga_plain_require(path)
    rescue LoadError => e
      raise if Virga::Demand.gems? || e.path != path

      Virga::Demand.load_gems
      require(path) # RubyGems' own, now
    end
    Virga::Demand.loaded(path)
    result
  end
  private :require

  # As in AWS's client: what is put at once is one event of the log. A $stdout of the user's gets
  # what it would get anywhere else.
  def puts(*args)
    return $stdout.puts(*args) unless $stdout.equal?(STDOUT)

    text = args.flatten.map { |arg| arg.to_s.b.chomp }.join("\n")
    Virga.write_event(text)
  end
  private :puts
end

Virga::Runtime.new(Virga::Channel.new(Virga::FD)).run
