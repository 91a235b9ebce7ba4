#include "option_text.hpp"

#include "emulator_checks.hpp"
#include "maury/regions.hpp"

#include <cmath>
#include <cstdlib>
#include <sstream>

namespace maury {
namespace {

double number(const std::string& name, const std::string& text) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    require(!text.empty() && end == text.c_str() + text.size() && !std::isnan(value),
            name + ": expected a number, got '" + text + "'");
    return value;
}

int whole(const std::string& name, const std::string& text) {
    const double value = number(name, text);
    require(value == std::floor(value) && std::abs(value) < 1e9, name + ": expected a whole number");
    return static_cast<int>(value);
}

bool truth(const std::string& name, const std::string& text) {
    require(text == "true" || text == "false", name + ": expected true or false, got '" + text + "'");
    return text == "true";
}

std::vector<std::string> parts(const std::string& text, char between) {
    std::vector<std::string> found;
    std::istringstream from(text);
    for (std::string part; std::getline(from, part, between);)
        found.push_back(part);
    return found;
}

// label:number of each
std::vector<std::pair<std::string, double>> by_label(const std::string& name, const std::string& text) {
    std::vector<std::pair<std::string, double>> found;
    for (const std::string& part : parts(text, ',')) {
        const std::size_t colon = part.find(':');
        require(colon != std::string::npos, name + ": expected label:number, got '" + part + "'");
        found.emplace_back(part.substr(0, colon), number(name, part.substr(colon + 1)));
    }
    return found;
}

std::vector<double> numbers(const std::string& name, const std::string& text) {
    std::vector<double> found;
    for (const std::string& part : parts(text, ','))
        found.push_back(number(name, part));
    return found;
}

void set(Options& options, const std::string& name, const std::string& value) {
    if (name == "velocity") {
        require(value == "fit" || value == "given", "velocity: expected fit or given, got '" + value + "'");
        options.velocity = value == "fit" ? Options::Velocity::fit : Options::Velocity::given;
    } else if (name == "use_scatter")
        options.use_scatter = truth(name, value);
    else if (name == "continuum")
        options.continuum = truth(name, value);
    else if (name == "broadening")
        options.broadening = truth(name, value);
    else if (name == "arm_rv")
        options.arm_rv = truth(name, value);
    else if (name == "max_rv")
        options.max_rv = number(name, value);
    else if (name == "clip")
        options.clip = number(name, value);
    else if (name == "resolution")
        options.resolution = number(name, value);
    else if (name == "fwhm")
        options.fwhm = number(name, value);
    else if (name == "n_starts")
        options.n_starts = whole(name, value);
    else if (name == "max_evaluations")
        options.max_evaluations = whole(name, value);
    else if (name == "reject")
        options.reject = static_cast<std::int64_t>(whole(name, value));
    else if (name == "lower")
        options.lower = numbers(name, value);
    else if (name == "upper")
        options.upper = numbers(name, value);
    else if (name == "fixed")
        options.fixed = by_label(name, value);
    else if (name == "leave_out")
        for (const std::string& region : parts(value, ','))
            for (const Region& range : regions_of(region))
                options.leave_out.push_back(range);
    else
        require(false, "options: unknown name '" + name + "'");
}

} // namespace

Options options_of(const std::string& text) {
    Options options;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        const std::size_t equals = word.find('=');
        require(equals != std::string::npos, "options: expected name=value, got '" + word + "'");
        set(options, word.substr(0, equals), word.substr(equals + 1));
    }
    return options;
}

} // namespace maury
