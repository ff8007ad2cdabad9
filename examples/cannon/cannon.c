/* A shot through air: reads shot.in, writes path.csv, and prints what a reader looks for. */
#include <math.h>
#include <stdio.h>

int main(void) {
    double speed, angle, drag;
    FILE *in = fopen("shot.in", "r");
    if (!in || fscanf(in, " speed = %lf angle = %lf drag = %lf", &speed, &angle, &drag) != 3) {
        fprintf(stderr, "shot.in: cannot be read\n");
        return 2;
    }
    fclose(in);
    FILE *out = fopen("path.csv", "w");
    if (!out) {
        perror("path.csv");
        return 2;
    }
    const double step = 0.001, gravity = 9.81, radians = angle * 3.14159265358979323846 / 180;
    double x = 0, y = 0, vx = speed * cos(radians), vy = speed * sin(radians), top = 0;
    long steps = 0;
    fprintf(out, "time,x,height\n");
    do {
        if (steps % 100 == 0) fprintf(out, "%.17g,%.17g,%.17g\n", (double)steps * step, x, y);
        const double slowed = drag * sqrt(vx * vx + vy * vy);
        vx -= slowed * vx * step;
        vy -= (gravity + slowed * vy) * step;
        x += vx * step;
        y += vy * step;
        if (y > top) top = y;
        steps++;
    } while (y > 0);
    fprintf(out, "%.17g,%.17g,%.17g\n", (double)steps * step, x, y);
    printf("steps: %ld\ntop: %.17g\n", steps, top);
    return fclose(out) != 0;
}
