package virga;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;

/** An error as the caller of the function receives it, and as the log shows it. */
final class Fault extends Exception {
    private static final long serialVersionUID = 1;

    private final String type;  /* null: an error of the runtime's own, which has none */
    private final String trace; /* printed; null: none */
    private final List<String> frames; /* null: not told, as for what fails while loading */
    final boolean isFatal; /* nothing of the user's runs after it */

    private Fault(String message, String type, String trace, List<String> frames, boolean isFatal) {
        super(message, null, false, false);
        this.type = type;
        this.trace = trace;
        this.frames = frames;
        this.isFatal = isFatal;
    }

    static Fault of(String message) {
        return new Fault(message, null, null, null, false);
    }

    /** A message of the runtime's for an error of the user's class. */
    static Fault of(String message, Throwable cause, boolean isFatal) {
        return new Fault(message, cause.getClass().getName(), print(cause), null, isFatal);
    }

    /** What a handler has thrown. */
    static Fault thrown(Throwable error) {
        String trace = print(error);
        List<String> frames = new ArrayList<String>();
        for (StackTraceElement frame : error.getStackTrace()) frames.add(frame.toString());
        boolean isFatal = error instanceof VirtualMachineError || error instanceof java.io.IOError;
        return new Fault(messageOf(error), error.getClass().getName(), trace, frames, isFatal);
    }

    static String messageOf(Throwable error) {
        String message = error.getLocalizedMessage();
        return message == null ? error.getClass().getName() : message;
    }

    /** As thrown, without the frames of the runtime. */
    private static String print(Throwable error) {
        cut(error, new IdentityHashMap<Throwable, Boolean>());
        StringWriter text = new StringWriter();
        error.printStackTrace(new PrintWriter(text));
        return text.toString();
    }

    private static void cut(Throwable error, IdentityHashMap<Throwable, Boolean> seen) {
        if (error == null || seen.put(error, Boolean.TRUE) != null) return;
        StackTraceElement[] frames = error.getStackTrace();
        for (int i = 0; i < frames.length; i++) {
            if (!frames[i].getClassName().startsWith("virga.")) continue;
            StackTraceElement[] kept = new StackTraceElement[i];
            System.arraycopy(frames, 0, kept, 0, i);
            error.setStackTrace(kept);
            break;
        }
        cut(error.getCause(), seen);
        for (Throwable suppressed : error.getSuppressed()) cut(suppressed, seen);
    }

    String logText() {
        if (type == null && trace == null) return getMessage();
        return getMessage() + ": " + (type == null ? "" : type) + "\n" + (trace == null ? "" : trace);
    }

    Channel.Answer toAnswer() {
        StringBuilder out = new StringBuilder("{\"errorMessage\":");
        Json.write(out, getMessage());
        if (type != null) {
            out.append(",\"errorType\":");
            Json.write(out, type);
        }
        if (frames != null) {
            out.append(",\"stackTrace\":[");
            for (int i = 0; i < frames.size(); i++) {
                if (i > 0) out.append(',');
                Json.write(out, frames.get(i));
            }
            out.append(']');
        }
        byte[] bytes = out.append('}').toString().getBytes(StandardCharsets.UTF_8);
        Channel.Answer answer = new Channel.Answer();
        answer.write(bytes, 0, bytes.length);
        return answer;
    }
}
