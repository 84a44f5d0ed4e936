/* SPDX-License-Identifier: BSD-2-Clause */

/* A picture: goodput above, amplification below, by the second; a line for each kind of client. */
#include <math.h>
#include <stdio.h>

#include "sim.h"

#define WIDTH  760
#define LEFT   48
#define RIGHT  16
#define TOP    84
#define HEIGHT 150 /* of a panel */
#define GAP    44  /* between the panels */

/* One of the two panels. */
struct panel {
    const char *title;
    double top; /* y of its upper edge */
    double most;
    double step;
    double (*value)(const struct sim_second *second);
};

static double goodput(const struct sim_second *second)
{
    return 100 * (double)second->good / (double)second->offered;
}

static double amplification(const struct sim_second *second)
{
    return (double)second->attempts / (double)second->offered;
}

static const struct panel panels[] = {
    {"goodput, % of what arrived in the second", TOP, 100, 25, goodput},
    {"attempts per request", TOP + HEIGHT + GAP, 5, 1, amplification},
};

static const char *const colours[] = {"#c0392b", "#1f6fb2", "#2e8b57", "#b9770e"};

static double x_of(const struct sim_config *config, double second)
{
    return LEFT +
           (second - SIM_WARM_S) * (WIDTH - LEFT - RIGHT) / (sim_seconds(config) - SIM_WARM_S);
}

static double y_of(const struct panel *panel, double value)
{
    return panel->top + HEIGHT * (1 - fmin(value, panel->most) / panel->most);
}

static void draw_text(FILE *file, double x, double y, const char *anchor, const char *text)
{
    (void)fprintf(file, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor,
                  text);
}

static void draw_frame(FILE *file, const struct sim_config *config, const struct panel *panel)
{
    const double bottom = panel->top + HEIGHT;
    char text[16];

    (void)fprintf(file,
                  "<rect x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%d\" fill=\"#f3ead7\"/>\n",
                  x_of(config, SIM_BEGIN_S), panel->top,
                  x_of(config, SIM_END_S) - x_of(config, SIM_BEGIN_S), HEIGHT);
    draw_text(file, LEFT, panel->top - 8, "start", panel->title);
    for (double value = 0; value <= panel->most; value += panel->step) {
        const double y = y_of(panel, value);

        (void)fprintf(file, "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/>\n", LEFT, y, WIDTH - RIGHT);
        (void)snprintf(text, sizeof text, "%.0f", value);
        draw_text(file, LEFT - 6, y + 4, "end", text);
    }
    for (uint32_t second = SIM_BEGIN_S; second <= sim_seconds(config); second += SIM_BEGIN_S) {
        (void)snprintf(text, sizeof text, "%u s", second);
        draw_text(file, x_of(config, second), bottom + 16,
                  second == sim_seconds(config) ? "end" : "middle", text);
    }
}

/* A second without requests is a gap. */
static void draw_line(FILE *file, const struct sim_config *config, const struct panel *panel,
                      const char *colour)
{
    bool pen = false;

    (void)fprintf(file, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.6\" d=\"", colour);
    for (uint32_t i = SIM_WARM_S; i < sim_seconds(config); i++) {
        const struct sim_second *second = &config->series[i];

        if (second->offered == 0) {
            pen = false;
            continue;
        }
        (void)fprintf(file, "%c%.1f %.1f", pen ? 'L' : 'M', x_of(config, i + 0.5),
                      y_of(panel, panel->value(second)));
        pen = true;
    }
    (void)fprintf(file, "\"/>\n");
}

static void draw_head(FILE *file, const struct sim_config *configs, uint32_t count, int height)
{
    const struct sim_config *config = configs;
    double x = LEFT;

    (void)fprintf(file,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
                  "height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n"
                  "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
                  WIDTH, height, WIDTH, height, WIDTH, height);
    (void)fprintf(
        file,
        "<text x=\"%d\" y=\"18\">%s: %s</text>\n"
        "<text x=\"%d\" y=\"36\">%u clients, %u servers, %.0f %% load, a full queue takes "
        "%.1f times the timeout; in brackets load times attempts</text>\n",
        LEFT, config->scenario->name, config->scenario->what, LEFT, config->clients,
        config->servers, 100 * config->load,
        sim_queue(config) / (sim_capacity(config) * (double)SIM_TIMEOUT / 1e9));
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t attempts = configs[i].policy->attempts;

        (void)fprintf(file, "<text x=\"%.0f\" y=\"56\" fill=\"%s\">%s (%.1f)</text>\n", x,
                      colours[i], configs[i].policy->name,
                      config->load * (double)(attempts != 0 ? attempts : 3));
        x += (double)(WIDTH - LEFT - RIGHT) / count;
    }
}

bool sim_draw(const char *path, const struct sim_config *configs, uint32_t count)
{
    const int height = TOP + 2 * HEIGHT + GAP + 28;
    FILE *file = fopen(path, "w");
    bool good;

    if (file == NULL)
        return false;
    draw_head(file, configs, count, height);
    for (size_t i = 0; i < sizeof panels / sizeof *panels; i++) {
        draw_frame(file, configs, &panels[i]);
        for (uint32_t line = 0; line < count; line++)
            draw_line(file, &configs[line], &panels[i], colours[line]);
    }
    (void)fprintf(file, "</svg>\n");
    good = ferror(file) == 0;
    return fclose(file) == 0 && good;
}
