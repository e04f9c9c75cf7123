package virga;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** An INVOKE frame's payload, which is the handler's context, and the event. */
final class Invocation implements Context {
    private final byte[] payload;
    private final LambdaLogger logger;
    private final long deadlineMs;
    private final String requestId;
    private final String arn;
    final String traceId;
    private final ClientContext clientContext;
    private final CognitoIdentity identity;
    private int at = 8;

    Invocation(byte[] payload, LambdaLogger logger) {
        this.payload = payload;
        this.logger = logger;
        long deadline = 0;
        for (int i = 7; i >= 0; i--) deadline = deadline << 8 | payload[i] & 255;
        deadlineMs = deadline;
        requestId = text();
        arn = text();
        traceId = text();
        String client = text();
        String cognito = text();
        clientContext = client.isEmpty() ? null : clientContext((Map<?, ?>) Json.parse(client));
        identity = cognito.isEmpty() ? null : identity((Map<?, ?>) Json.parse(cognito));
    }

    private String text() {
        int size = payload[at] & 255 | (payload[at + 1] & 255) << 8;
        String text = new String(payload, at + 2, size, StandardCharsets.UTF_8);
        at += 2 + size;
        return text;
    }

    int eventOffset() {
        return at;
    }

    int eventSize() {
        return payload.length - at;
    }

    byte[] bytes() {
        return payload;
    }

    private static String member(Map<?, ?> from, String name) {
        Object value = from == null ? null : from.get(name);
        return value == null ? null : value.toString();
    }

    private static Map<String, String> texts(Object from) {
        if (!(from instanceof Map)) return null;
        Map<String, String> texts = new HashMap<String, String>();
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) from).entrySet())
            texts.put(entry.getKey().toString(), String.valueOf(entry.getValue()));
        return texts;
    }

    private static ClientContext clientContext(Map<?, ?> from) {
        final Map<?, ?> device = (Map<?, ?>) from.get("client");
        final Map<String, String> custom = texts(from.get("custom"));
        final Map<String, String> environment = texts(from.get("env"));
        final Client client = device == null ? null : new Client() {
            @Override
            public String getInstallationId() {
                return member(device, "installation_id");
            }

            @Override
            public String getAppTitle() {
                return member(device, "app_title");
            }

            @Override
            public String getAppVersionName() {
                return member(device, "app_version_name");
            }

            @Override
            public String getAppVersionCode() {
                return member(device, "app_version_code");
            }

            @Override
            public String getAppPackageName() {
                return member(device, "app_package_name");
            }
        };
        return new ClientContext() {
            @Override
            public Client getClient() {
                return client;
            }

            @Override
            public Map<String, String> getCustom() {
                return custom;
            }

            @Override
            public Map<String, String> getEnvironment() {
                return environment;
            }
        };
    }

    private static CognitoIdentity identity(final Map<?, ?> from) {
        return new CognitoIdentity() {
            @Override
            public String getIdentityId() {
                return member(from, "cognitoIdentityId");
            }

            @Override
            public String getIdentityPoolId() {
                return member(from, "cognitoIdentityPoolId");
            }
        };
    }

    @Override
    public String getAwsRequestId() {
        return requestId;
    }

    @Override
    public String getLogGroupName() {
        return System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
    }

    @Override
    public String getLogStreamName() {
        return System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
    }

    @Override
    public String getFunctionName() {
        return System.getenv("AWS_LAMBDA_FUNCTION_NAME");
    }

    @Override
    public String getFunctionVersion() {
        return System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
    }

    @Override
    public String getInvokedFunctionArn() {
        return arn;
    }

    @Override
    public CognitoIdentity getIdentity() {
        return identity;
    }

    @Override
    public ClientContext getClientContext() {
        return clientContext;
    }

    @Override
    public int getRemainingTimeInMillis() {
        return (int) Math.max(0, deadlineMs - System.currentTimeMillis());
    }

    @Override
    public int getMemoryLimitInMB() {
        return Integer.parseInt(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
    }

    @Override
    public LambdaLogger getLogger() {
        return logger;
    }

    @Override
    public String getXrayTraceId() {
        return traceId.isEmpty() ? null : traceId;
    }
}
