package virga;

import com.amazonaws.services.lambda.runtime.LambdaRuntimeInternal;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.reflect.Method;

/**
 * Virga's Java runtime: what java is given inside the sandbox. It loads the user's handler and answers
 * invocations over descriptor 3; src/runtime/frame.h describes the bytes.
 *
 * What user code sees (Context, error objects, log lines, which classes come from where) follows AWS's
 * client for Java, except where a comment says otherwise. A cold start pays for each class that is
 * loaded here: hence no lambdas, no regular expressions, no formatting, no JSON library.
 *
 * User code is hostile to the platform by assumption, and shares this process: nothing here defends
 * the platform, which checks every frame.
 */
public final class Main {
    private static final int FD = 3;
    private static final String TRACE_PROPERTY = "com.amazonaws.xray.traceHeader";

    private final Channel channel;
    private final Log log;

    private Main(Channel channel, Log log) {
        this.channel = channel;
        this.log = log;
    }

    public static void main(String[] arguments) throws Exception {
        Channel channel = new Channel(FD);
        Main runtime = new Main(channel, Log.install());
        channel.send(Channel.BOOTED, 0);
        Handler handler = runtime.load();
        Log.flush();
        channel.send(Channel.READY, 0);
        runtime.serve(handler);
        Runtime.getRuntime().halt(0); /* the platform has gone: no hook has anybody to talk to */
    }

    private static String variable(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null ? otherwise : value;
    }

    private Handler load() throws IOException {
        try {
            return Loader.load(variable("_HANDLER", ""), variable("LAMBDA_TASK_ROOT", "/var/task"));
        } catch (Fault fault) {
            log.fault(fault);
            Log.flush();
            channel.send(Channel.INIT_ERROR, 0, fault.toAnswer());
            System.exit(1);
            throw new IllegalStateException(fault);
        }
    }

    private void serve(Handler handler) throws IOException {
        Channel.Answer answer = new Channel.Answer();
        while (channel.receive() && channel.type == Channel.INVOKE) {
            Stream stream = handler.isStreaming() ? new Stream(channel, channel.seq) : null;
            answer.reset();
            Fault fault = call(handler, channel.payload, stream == null ? answer : stream);
            if (fault != null) log.fault(fault);
            Log.flush();
            Thread.interrupted(); /* user code may have left the flag */
            if (stream != null && fault == null) stream.close();
            else if (stream != null) stream.stop();
            if (fault == null) channel.send(Channel.RESPONSE, channel.seq, answer);
            else fail(fault);
            if (answer.size() > 1 << 20) answer = new Channel.Answer();
        }
    }

    private void fail(Fault fault) throws IOException {
        if (fault.isFatal) channel.send(Channel.LAST, channel.seq);
        channel.send(Channel.ERROR, channel.seq, fault.toAnswer());
        if (fault.isFatal) System.exit(1);
    }

    /** null: the answer is there. */
    private Fault call(Handler handler, byte[] payload, OutputStream answer) {
        try {
            Invocation invocation = new Invocation(payload, log);
            log.begin(invocation.getAwsRequestId());
            if (invocation.traceId.isEmpty()) System.clearProperty(TRACE_PROPERTY);
            else System.setProperty(TRACE_PROPERTY, invocation.traceId);
            if (LambdaRuntimeInternal.getUseLog4jAppender()) tellLog4j(invocation.getAwsRequestId());
            handler.handle(invocation, answer);
            return null;
        } catch (Fault fault) {
            return fault;
        } catch (Throwable t) {
            return Fault.thrown(t);
        }
    }

    /* The request id for patterns like %X{AWSRequestId}; of the versions that are there. */
    private static void tellLog4j(String requestId) {
        String[] names = {"org.apache.log4j.MDC", "org.apache.logging.log4j.ThreadContext"};
        Class<?>[] values = {Object.class, String.class};
        for (int i = 0; i < names.length; i++) {
            try {
                Class<?> context = Class.forName(names[i], true, Thread.currentThread().getContextClassLoader());
                Method put = context.getMethod("put", String.class, values[i]);
                put.invoke(null, "AWSRequestId", requestId);
            } catch (ReflectiveOperationException e) {
                continue;
            }
        }
    }
}
