/* A function in C: the event comes back inside a greeting. */
#include <virga_lambda.h>

#include <stdio.h>

static void hello(struct lambda_call *call, void *user)
{
    (void) user;
    printf("working on %s\n", call->request_id);
    lambda_printf(call, "{\"greeting\": \"Hello from C\", \"milliseconds_left\": %lld, \"event\": ",
                  (long long) lambda_remaining_ms(call));
    lambda_write(call, call->event, call->event_size);
    lambda_printf(call, "}");
}

int main(void)
{
    return lambda_run(hello, NULL);
}
