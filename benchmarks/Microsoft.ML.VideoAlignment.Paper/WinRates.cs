namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>Answers of people, counted.</summary>
/// <param name="Question">What was asked.</param>
/// <param name="Wins">Choices for the side that is counted.</param>
/// <param name="Count">Choices in all.</param>
/// <param name="Left">Choices of the left video: a habit of the hand would show here.</param>
internal sealed record WinRate(BenchmarkBase Question, int Wins, int Count, int Left)
{
    /// <summary>The share that people prefer the side by, exact.</summary>
    public (double Low, double High) Interval => Binomial.Interval(Wins, Count);
}

/// <summary>Joins answers to the key.</summary>
internal static class WinRates
{
    /// <exception cref="UsageException">A file is of another kit, or not what the page writes.</exception>
    public static IReadOnlyList<WinRate> Of(Key key, IReadOnlyList<(string Name, AnswerFile File)> files, string side)
    {
        foreach ((string name, AnswerFile file) in files)
        {
            Check(key, name, file);
        }

        Dictionary<string, string[]> sides = key.Pairs.ToDictionary(pair => pair.Id, pair => pair.Sides);
        return
        [
            .. from question in PreferenceKit.Questions
               let answers = files.SelectMany(file => file.File.Answers!).Where(answer => answer.Question == question.Id).ToArray()
               where answers.Length > 0
               select new WinRate(question, answers.Count(answer => sides[answer.Pair][answer.Chosen] == side), answers.Length,
                   answers.Count(answer => answer.Chosen == answer.Left)),
        ];
    }

    private static void Check(Key key, string name, AnswerFile file)
    {
        if (file.Kit != key.Kit || file.Answers is null)
        {
            throw new UsageException($"'{name}' has answers to kit '{file.Kit}', this is kit '{key.Kit}'");
        }

        foreach (Answer answer in file.Answers)
        {
            if (key.Pairs.All(pair => pair.Id != answer.Pair) || PreferenceKit.Questions.All(question => question.Id != answer.Question)
                || answer.Chosen is not (0 or 1) || answer.Left is not (0 or 1))
            {
                throw new UsageException($"'{name}' holds an answer that this kit does not ask for: {answer}");
            }
        }

        if (file.Answers.GroupBy(answer => (answer.Pair, answer.Question)).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new UsageException($"'{name}' answers {twice.Key} twice");
        }
    }
}
